/** What a command that judges throws when it has said that something is not right: the program ends with exit code 1. */
export class NegativeVerdict extends Error {
  constructor() {
    super('a negative verdict');
  }
}
