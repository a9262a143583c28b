/** HTML as a value: whatever is put into a template is escaped, unless it is HTML itself. */

export class Html {
  readonly text: string;

  /** Only for {@link html}, which has escaped what is in it. */
  constructor(text: string) {
    this.text = text;
  }
}

/** Undefined is nothing; of a list each, one behind the other. */
export type Piece = Html | string | number | undefined | readonly Piece[];

/** A template whose values are escaped, for content and for attributes between quotes. */
export function html(strings: TemplateStringsArray, ...values: readonly Piece[]): Html {
  const rest = values.map((value, index) => textOf(value) + (strings[index + 1] ?? ''));
  return new Html((strings[0] ?? '') + rest.join(''));
}

function textOf(value: Piece): string {
  if (value === undefined) return '';
  if (value instanceof Html) return value.text;
  return isList(value) ? value.map(textOf).join('') : escaped(String(value));
}

const isList = (value: Piece): value is readonly Piece[] => Array.isArray(value);

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (one) => ENTITIES[one] ?? '');
