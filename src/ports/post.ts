/** How one POST ended. What an answer means (delivered, retry, give up) is for the caller to say. */
export type PostResult =
  | {
      readonly kind: 'answer'
      readonly status: number
      /** The receiver's Retry-After, not capped. */
      readonly retryAfterSeconds?: number
      /** Beginning of the body, only of an answer that is not 2xx. */
      readonly excerpt?: string
      /** The whole body of a 2xx answer, if it was asked for. */
      readonly body?: string
      readonly durationMs: number
    }
  /** No status was received. `reason` is short, stable and fit for users. */
  | { readonly kind: 'failure'; readonly reason: string; readonly durationMs: number }

export type PostOptions = {
  /** Instead of the usual one; bounds the post as a whole. */
  readonly timeoutMs?: number
  /** A 2xx answer then counts only with its whole body, of at most 64 KB; it is a failure without. */
  readonly wantsBody?: boolean
}

/** Posts a body once, without following redirects and without retrying. Never throws; ends in bounded time. */
export type Post = (
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
  options?: PostOptions,
) => Promise<PostResult>
