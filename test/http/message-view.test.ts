import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formattedBody } from '../../src/http/message-view.ts'

const JOHN = '5521999999999'
const JID = `${JOHN}@s.whatsapp.net`
const span = (name: string) => `<span class="mention" data-phone="${JOHN}">@${name}</span>`
const nameOf = (jid: string) => (jid === JID ? 'John Doe' : undefined)

describe('the body of a message as HTML', () => {
  test('names who is mentioned, as the reference shows', () =>
    expect(formattedBody(`Ola @${JOHN}!`, [JID], nameOf)).toBe(`Ola ${span('John Doe')}!`))
  test('leaves alone what only looks like a mention', () =>
    expect(formattedBody(`@${JOHN} @123 @${JOHN}0 a@b`, [], nameOf)).toBe(`@${JOHN} @123 @${JOHN}0 a@b`))
  test('shows the number of who has no name', () =>
    expect(formattedBody(`@${JOHN}`, [JID], () => undefined)).toBe(span(JOHN)))
  test('lets no text and no name become markup', () =>
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('<', '>', '&', '"', "'", `@${JOHN}`, 'a', '@')),
        fc.string(),
        (parts, name) => {
          const html = formattedBody(parts.join(''), [JID], () => name)
          const [before, after] = [`<span class="mention" data-phone="${JOHN}">@`, '</span>']
          expect(html.replaceAll(before, '').replaceAll(after, '')).not.toMatch(
            /[<>"']|&(?!amp;|lt;|gt;|quot;|#39;)/,
          )
        },
      ),
    ))
})
