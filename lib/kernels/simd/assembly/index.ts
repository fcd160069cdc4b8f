export { multiplyAdds, readFourStreams, readOneStream } from './ceilings';
export { run, serve } from './commands';
export { setThreads } from './instance';
