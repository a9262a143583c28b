/** What stands in a manifest for a value that only the chart's user gives. */

/** Characters that no manifest has. */
const [OPEN, CLOSE] = ['\uE000', '\uE001'];
const TOKEN = new RegExp(`${OPEN}([^${CLOSE}]+)${CLOSE}`, 'g');

export const tokenOf = (setting: string): string => `${OPEN}${setting}${CLOSE}`;

export const hasToken = (text: string): boolean => text.includes(OPEN);

/** The setting, where the text is nothing but its token. */
export const onlyToken = (text: string): string | undefined => new RegExp(`^${TOKEN.source}$`).exec(text)?.[1];

/** The text as a format of Go with `%s` for each token, and the settings in their order. */
export function formatOf(text: string): { readonly format: string; readonly settings: readonly string[] } {
  const settings = [...text.matchAll(TOKEN)].map(([, setting = '']) => setting);
  return { format: text.replaceAll('%', '%%').replaceAll(TOKEN, '%s'), settings };
}
