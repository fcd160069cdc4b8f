/** One half of the deliberate mistakes. */

import { checkPlantedMistakes } from './planted-mistakes.ts';

checkPlantedMistakes(0);
