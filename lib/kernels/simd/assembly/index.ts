export { multiplyAdds, readFourStreams, readOneStream } from './ceilings';
export { run } from './commands';
export { setThreads } from './instance';
export { serve } from './operations';
