/** Which part of a list. */
export interface PageOptions {
  /** 1 to 200; 50 when it is not given. */
  limit?: number | undefined;

  /** The `nextCursor` of the page before. */
  cursor?: string | null | undefined;
}

/** The cursor of the next page; null at the end. Throws for a page that leads to itself, which would be read for ever. */
export function nextOf(next: string | null | undefined, asked: string | null | undefined): string | null {
  if (next && next === asked) throw new RangeError('The page leads to itself.');
  return next || null;
}

/**
 * A list: `await` it for one page, or walk it with `for await` for the items of all pages, each page being fetched when
 * it is needed. Until then nothing is asked for.
 */
export class List<Page extends { nextCursor: string | null }, Item> implements PromiseLike<Page>, AsyncIterable<Item> {
  readonly #load: (cursor: string | null | undefined) => Promise<Page>;
  readonly #items: (page: Page) => Item[];
  readonly #cursor: string | null | undefined;
  #first: Promise<Page> | undefined;

  /** @internal */
  constructor(load: (cursor: string | null | undefined) => Promise<Page>, items: (page: Page) => Item[], cursor?: string | null) {
    this.#load = load;
    this.#items = items;
    this.#cursor = cursor;
  }

  then<A = Page, B = never>(fulfilled?: ((page: Page) => A | PromiseLike<A>) | null, rejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<A | B> {
    return (this.#first ??= this.#load(this.#cursor)).then(fulfilled, rejected);
  }

  catch<B = never>(rejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<Page | B> {
    return this.then(null, rejected);
  }

  finally(always?: (() => void) | null): Promise<Page> {
    return this.then().finally(always);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined> {
    for (let page = await this.then(); ; page = await this.#load(page.nextCursor)) {
      yield* this.#items(page);
      if (page.nextCursor === null) return;
    }
  }
}
