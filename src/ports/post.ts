/** How one POST ended. What an answer means (delivered, retry, give up) is for the caller to say. */
export type PostResult =
  | {
      readonly kind: 'answer'
      readonly status: number
      /** The receiver's Retry-After, not capped. */
      readonly retryAfterSeconds?: number
      /** Beginning of the body, only of an answer that is not 2xx. */
      readonly excerpt?: string
      readonly durationMs: number
    }
  /** No status was received. `reason` is short, stable and fit for users. */
  | { readonly kind: 'failure'; readonly reason: string; readonly durationMs: number }

/** Posts a body once, without following redirects and without retrying. Never throws; ends in bounded time. */
export type Post = (
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
) => Promise<PostResult>
