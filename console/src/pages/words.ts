/** The API's sentences as the pages show them. */

const IN_BRACKETS = / \([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\)/g;

/** Without the identifiers: here the names are links. */
export const withoutIds = (sentence: string): string => sentence.replace(IN_BRACKETS, "");

/** What follows "The provider said:". */
export const saidBy = (words: string): string =>
  words.replace(/^The provider says: (ended( \(exit code \w+\))?: )?/, "");

/** Why a run failed, without what stands below it as the thing to do. */
export function withoutRemedy(why: string, remedy: string | null): string {
  return remedy && why.endsWith(remedy) ? why.slice(0, -remedy.length).trimEnd() : why;
}
