import * as z from 'zod';
import { LONGEST_PATTERN } from '../glob.js';

const MOST_PATTERNS = 1000;

const list = z
  .union([z.string().transform((text) => [text]), z.array(z.string())])
  .pipe(z.array(z.string().min(1).max(LONGEST_PATTERN)).min(1).max(MOST_PATTERNS));

const hasBounds = (from: number | undefined, to: number | undefined): boolean =>
  (from !== undefined || to !== undefined) && (from ?? Number.NEGATIVE_INFINITY) <= (to ?? Number.POSITIVE_INFINITY);

/** One test of an item. Sizes in bytes, dates in Unix seconds, paths from the root of the transfer. */
export const ruleSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('filter_extension'), extensions: list }),
  z.strictObject({ type: z.literal('filter_name'), patterns: list }),
  z.strictObject({ type: z.literal('filter_path'), patterns: list }),
  z
    .strictObject({
      type: z.literal('filter_size'),
      min: z.number().nonnegative().optional(),
      max: z.number().nonnegative().optional(),
    })
    .refine(({ min, max }) => hasBounds(min, max), { message: 'needs min, max, or both with min ≤ max' }),
  z
    .strictObject({ type: z.literal('filter_date'), after: z.number().optional(), before: z.number().optional() })
    .refine(({ after, before }) => hasBounds(after, before), {
      message: 'needs after, before, or both with after ≤ before',
    }),
  z.strictObject({ type: z.literal('filter_hidden') }),
  z.strictObject({ type: z.literal('filter_private') }),
]);
export type Rule = z.output<typeof ruleSchema>;

/** A filter matches if all its rules do. Excludes win. If there are includes, a file must match at least one. */
export const filterSchema = z.strictObject({
  type: z.literal('filter_rule').default('filter_rule'),
  action: z.enum(['include', 'exclude']),
  rules: z.array(ruleSchema).min(1).max(100),
});
export type FilterRule = z.output<typeof filterSchema>;
