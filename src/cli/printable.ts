/** Control characters, ends of lines of all kinds, and what turns the direction of writing. */
const UNPRINTABLE = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu

/**
 * One line for a terminal, whatever others wrote: none of it can move the cursor, hide what stands before it, or look
 * like a line of its own.
 */
export const printable = (text: string) => text.replace(UNPRINTABLE, ' ')
