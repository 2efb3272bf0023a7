import type { WAMessage } from '@whiskeysockets/baileys'
import type {
  AddressLink,
  ContactNews,
  Incoming,
  IncomingChange,
  IncomingReaction,
  Receipt,
} from '../../ports/gateway.ts'

/** One thing that WhatsApp told, in our own words. */
export type Told =
  | { readonly kind: 'message'; readonly incoming: Incoming; readonly raw: WAMessage }
  | { readonly kind: 'receipt'; readonly receipt: Receipt }
  | { readonly kind: 'reaction'; readonly reaction: IncomingReaction }
  | { readonly kind: 'change'; readonly change: IncomingChange }
  | { readonly kind: 'contact'; readonly news: ContactNews }
  | { readonly kind: 'addressLink'; readonly link: AddressLink }

/** The account that a session speaks for. */
export type Account = {
  /** `5511999999999@s.whatsapp.net` */
  readonly jid: string
  /** `123456789@lid`, once WhatsApp has given one. */
  readonly lid?: string
  readonly name?: string
}
