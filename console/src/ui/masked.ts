/** Values whose names sound like a secret's are not shown. The same names as in `skylift.templates.looks_secret`. */
const SECRET =
  /passw|passphrase|pwd|secret|token|apikey|accesskey|privatekey|accountkey|sharedkey|credential|auth(?!or)|connectionstring|dsn|certificate|signature|cookie/;
/** What is filled in later is no secret yet. */
const PLACEHOLDER = /^\s*\{\{.*\}\}\s*$/;
export const MASK = "********";

export const looksSecret = (name: string): boolean => SECRET.test(name.toLowerCase().replace(/[^a-z0-9]/g, ""));

/** The same value with its secrets masked; `default` is known by the name of what it is the default of. */
export function masked(value: unknown, name = ""): unknown {
  if (Array.isArray(value)) return value.map((each) => masked(each, name));
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, each]) => [key, masked(each, key === "default" ? name : key)]),
    );
  }
  return typeof value === "string" && looksSecret(name) && !PLACEHOLDER.test(value) ? MASK : value;
}
