const MARKS = /\p{M}/gu

/** Text as it is searched for: without accents and letter case, `São João` as `sao joao`. */
export const foldText = (text: string) => text.normalize('NFKD').replace(MARKS, '').toLowerCase()
