import { fieldsOf, filled, type Fields } from './whatsapp-fields.ts'

type Lines = (node: Fields) => readonly unknown[]

const textIn = (node: Fields, field: string) => fieldsOf(node[field])?.['text']

const template: Lines = (node) => [
  node['hydratedTitleText'],
  node['hydratedContentText'],
  node['hydratedFooterText'],
]
const interactive: Lines = (node) => [
  fieldsOf(node['header'])?.['title'],
  textIn(node, 'body'),
  textIn(node, 'footer'),
]

/** What has words, but is no text to WhatsApp: what businesses offer, what their customers choose, invitations. */
const wordings: Readonly<Record<string, Lines>> = {
  buttonsResponseMessage: (node) => [filled(node['selectedDisplayText']) ?? node['selectedButtonId']],
  templateButtonReplyMessage: (node) => [filled(node['selectedDisplayText']) ?? node['selectedId']],
  listResponseMessage: (node) => [
    filled(node['title']) ?? fieldsOf(node['singleSelectReply'])?.['selectedRowId'],
  ],
  interactiveResponseMessage: (node) => [
    filled(textIn(node, 'body')) ?? fieldsOf(node['nativeFlowResponseMessage'])?.['paramsJson'],
  ],
  buttonsMessage: (node) => [node['text'], node['contentText'], node['footerText']],
  listMessage: (node) => [node['title'], node['description'], node['footerText']],
  templateMessage: (node) => {
    const hydrated = fieldsOf(node['hydratedTemplate']) ?? fieldsOf(node['hydratedFourRowTemplate'])
    return hydrated ? template(hydrated) : interactive(fieldsOf(node['interactiveMessageTemplate']) ?? {})
  },
  interactiveMessage: interactive,
  groupInviteMessage: (node) => [node['groupName'], node['caption']],
  eventMessage: (node) => [node['name'], node['description'], fieldsOf(node['location'])?.['name']],
  productMessage: (node) => [fieldsOf(node['product'])?.['title'], node['body'], node['footer']],
  orderMessage: (node) => [node['orderTitle'], node['message']],
}

/** The words of such a message, a line each, and where it says what it answers; undefined if it has none. */
export const wordingOf = (message: Fields): { readonly text: string; readonly node: Fields } | undefined => {
  for (const [kind, linesOf] of Object.entries(wordings)) {
    const node = fieldsOf(message[kind])
    const lines = node ? linesOf(node).flatMap((line) => filled(line) ?? []) : []
    if (node && lines.length > 0) return { text: lines.join('\n'), node }
  }
  return undefined
}
