/** An object of which some methods are others, and the rest is as it is, private fields included. */
export const replacing = <T extends object>(whole: T, change: Partial<T>): T =>
  new Proxy(whole, { get: (real, name): unknown => Reflect.get(change, name) ?? Reflect.get(real, name) });
