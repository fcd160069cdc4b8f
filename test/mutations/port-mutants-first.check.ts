/** One half of the deliberate mistakes of ports. */

import { checkPortMutants } from './port-mutants.ts';

checkPortMutants(0);
