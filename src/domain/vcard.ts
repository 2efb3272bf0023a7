/** RFC 2426: what would end a value, or a line, is written otherwise. */
const escaped = (value: string) => value.replace(/[\\,;]/g, '\\$&').replace(/\r\n?|\n/g, '\\n')

/** The card of a person as WhatsApp reads it: the number beside `waid` is the one that can be written to. */
export const vcardOf = (name: string, number: string): string =>
  [
    'BEGIN:VCARD',
    'VERSION:3.0',
    `N:;${escaped(name)};;;`,
    `FN:${escaped(name)}`,
    `TEL;type=CELL;type=VOICE;waid=${number}:+${number}`,
    'END:VCARD',
  ].join('\n')
