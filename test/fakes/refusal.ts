/** A promise that is refused already, and that nobody has to listen to. */
export function refusal(why: string): Promise<never> {
  const refused = Promise.reject(new Error(why));
  refused.catch(() => undefined);
  return refused;
}
