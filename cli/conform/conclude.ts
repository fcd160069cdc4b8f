/**
 * How a command that judges by the kit ends: reports, words, exit code.
 *
 * @module
 */

import { type ConformanceReport, type Kit, reportJson } from '../../lib/index.ts';
import type { Context } from '../context.ts';
import { NegativeVerdict } from '../verdict.ts';
import { reportLines } from './print.ts';
import { type KitOptions, writeReports } from './settings.ts';

/** @throws NegativeVerdict unless the port conforms */
export function conclude(
  { output }: Context,
  kit: Kit,
  report: ConformanceReport,
  options: KitOptions,
): void {
  writeReports(report, kit, options);
  if (options.json) output.json(reportJson(report));
  else for (const line of reportLines(report, kit)) output.data(`${output.shown(line)}\n`);
  if (report.conclusion !== 'conforms') throw new NegativeVerdict();
}
