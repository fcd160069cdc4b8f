/**
 * Templates of strangers, run within limits.
 *
 * @module
 */

import { Interpreter } from '@huggingface/jinja';

/** Longest template, in UTF-16 units. Published ones have less than 2^15. */
export const MAX_TEMPLATE_LENGTH = 1 << 18;

/**
 * Steps that a template may take, for a short conversation. A step is an expression or statement that is evaluated; its value costs a step more for
 * each of its elements and each {@link UNITS_PER_STEP} of its text. Published templates take a few hundred.
 */
const MAX_STEPS = 10_000;
const UNITS_PER_STEP = 1024;

/** Comparisons of a search for one text in another, at worst, that cost a step. */
const COMPARISONS_PER_STEP = 1 << 16;

/** How many times a template may look at the whole conversation. */
const MAX_PASSES = 64;

/** Largest value, in units of its texts and elements, beyond what it has of the conversation. */
const MAX_SIZE = 1 << 18;

/** Deepest nesting of a value. */
const MAX_DEPTH = 64;

/** Filters and methods whose results can be as large as the product of their operands, and how large that may be. */
const MULTIPLYING: ReadonlySet<string> = new Set(['replace', 'join', 'indent', 'tojson']);
const MAX_PRODUCT = 1 << 24;

/** Filters, methods and operators that look for one operand in another. */
const SEARCHING: ReadonlySet<string> = new Set(['replace', 'split', 'in', 'not in']);

/** A template that went beyond a limit. */
export class TooMuch extends Error {
  override readonly name = 'TooMuch';
}

/** What is used of the package, whose own declarations do not resolve under Node.js rules. */
interface PackageInterpreter {
  run(program: unknown): Value;
  evaluate(statement: Statement | undefined, environment: unknown): Value;
}
type Statement = object;
/** `undefined` for the first element of an empty list. */
type Value = { readonly value?: unknown } | undefined;

const PackageInterpreter = Interpreter as unknown as new (environment: unknown) => PackageInterpreter;

/** An evaluation that is going on. */
interface Frame {
  readonly multiplies: boolean;
  readonly searches: boolean;
  /** Of the sizes of its operands, as far as they have been evaluated. */
  product: number;
}

/**
 * An interpreter that counts. Every expression passes through `evaluate`, so no loop, no recursion and no growth of values gets around it; and it counts
 * steps, not time, so the same template is refused everywhere. Operands are looked at before anything is made of them.
 */
export class BoundedInterpreter extends PackageInterpreter {
  private stepsLeft: number;
  private readonly conversation: number;
  private readonly frames: Frame[] = [];

  /** @param conversationLength UTF-16 units of all messages */
  constructor(environment: unknown, conversationLength: number) {
    super(environment);
    this.conversation = MAX_PASSES * conversationLength;
    this.stepsLeft = MAX_STEPS + this.conversation / UNITS_PER_STEP;
  }

  override evaluate(statement: Statement | undefined, environment: unknown): Value {
    this.spend(1);
    const applied = appliedIn(statement);
    const frame = { multiplies: MULTIPLYING.has(applied), searches: SEARCHING.has(applied), product: 1 };
    this.frames.push(frame);
    let value: Value;
    try {
      value = super.evaluate(statement, environment);
    } finally {
      // Also where the template leaves a loop, which is done by throwing.
      this.frames.pop();
    }
    // A method is as large as what it belongs to.
    const size = typeof rawOf(value) === 'function' ? frame.product - 1 : this.sizeOf(value);
    if (size > MAX_SIZE + this.conversation) throw new TooMuch(`a value of size ${size}`);
    this.spend(size / UNITS_PER_STEP);
    this.enter(size, value);
    return value;
  }

  /** Tells the evaluation around it of an operand. */
  private enter(size: number, value: Value): void {
    const frame = this.frames.at(-1);
    if (frame === undefined) return;
    const raw = rawOf(value);
    // A number can be a width.
    const factor = typeof raw === 'number' ? Math.abs(raw) : size;
    const product = frame.product * (1 + factor);
    if (frame.multiplies && !(product <= MAX_PRODUCT + this.conversation))
      throw new TooMuch(`a value of size ${product}`);
    if (frame.searches) this.spend((product - frame.product) / COMPARISONS_PER_STEP);
    frame.product = product;
  }

  private spend(steps: number): void {
    this.stepsLeft -= steps;
    if (!(this.stepsLeft >= 0)) throw new TooMuch('more steps than a template may take');
  }

  /** UTF-16 units of the texts in a value, when it is written out, and its elements: as often as each is in it. */
  private sizeOf(value: Value, known = new Map<object, number>(), depth = 0): number {
    const raw = rawOf(value);
    if (typeof raw === 'string') return raw.length;
    const children = Array.isArray(raw)
      ? (raw as Value[])
      : raw instanceof Map
        ? [...(raw as Map<string, Value>).values()]
        : null;
    if (children === null) return 0;
    const before = known.get(raw as object);
    if (before !== undefined) return before;
    if (depth === MAX_DEPTH) throw new TooMuch(`a value that is nested more than ${MAX_DEPTH} times`);
    this.spend(children.length);
    const size = children.reduce((sum, child) => sum + this.sizeOf(child, known, depth + 1), children.length);
    known.set(raw as object, size);
    return size;
  }
}

/** What a value of the package stands for. */
const rawOf = (value: Value): unknown => value?.value;

interface Named {
  readonly value?: unknown;
  readonly callee?: Named;
  readonly property?: Named;
}

/** The name of the filter, method or operator that a statement applies; empty if it applies none. */
function appliedIn(statement: Statement | undefined): string {
  const { filter, callee, operator } = (statement ?? {}) as {
    filter?: Named;
    callee?: Named;
    operator?: Named;
  };
  const applied = filter?.callee ?? filter ?? callee?.property ?? callee ?? operator;
  return typeof applied?.value === 'string' ? applied.value : '';
}
