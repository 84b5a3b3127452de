import type { components } from './openapi.js';

/** The API's own shapes, as they are on the wire. */
export type Wire = components['schemas'];

type CamelName<S> = S extends `${infer Head}_${infer Tail}` ? `${Head}${Capitalize<CamelName<Tail>>}` : S;

/** A shape of the wire with JavaScript's names. The API leaves no member of an answer out; where it does, the SDK's type says so. */
export type Camel<T> = T extends readonly (infer Item)[] ? Camel<Item>[] : T extends object ? { [Name in keyof T as CamelName<Name>]-?: Camel<T[Name]> } : T;

/** Renames snake_case members to camelCase, all the way down. */
export function camel<T>(value: T): Camel<T> {
  const convert = (node: unknown): unknown =>
    Array.isArray(node) ? node.map(convert)
    : node !== null && typeof node === 'object' ? Object.fromEntries(Object.entries(node).map(([name, member]) => [name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()), convert(member)]))
    : node;
  return convert(value) as Camel<T>;
}

/** Words that the API uses today; later versions may add others. */
export type OneOf<Words extends string> = Words | (string & {});
