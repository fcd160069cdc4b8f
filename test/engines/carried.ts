/** The files that the bundle carries, by their paths below the project. */

/** A checkpoint's folder → the two of its files that are needed to compute. */
const weightsOf = (folder: string) =>
  ({ config: `${folder}/config.json`, weights: `${folder}/model.safetensors` }) as const;

/** The model of the goldens, and the run through it. */
export const GOLDEN = weightsOf('fixtures/goldens/models/distinct');
export const TEACHER = 'fixtures/goldens/teacher.json';

/** The checkpoint that comes with the package. */
export const TOY = weightsOf('fixtures/checkpoints/toy');

/** All of them. */
export const CARRIED: readonly string[] = [TEACHER, ...Object.values(GOLDEN), ...Object.values(TOY)];
