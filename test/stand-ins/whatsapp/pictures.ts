/** The pictures of people and groups, which clients ask for by address. */
import type { MediaHost } from './media-host.ts'
import { errorNode, newStanzaId, now } from './stanza.ts'
import type { Person, WhatsApp } from './types.ts'

export const addPictures = (whatsApp: WhatsApp, host: MediaHost) => {
  /** By the person, or the address of the group. */
  const pictures = new Map<Person | string, { readonly id: string; readonly url: string }>()
  let changes = 0
  const owner = (jid: string) => whatsApp.find(jid) ?? jid

  whatsApp.handlers.set('w:profile:picture', (iq) => {
    const { target = '', type } = iq.attrs
    const picture = pictures.get(owner(target))
    if (type !== 'get' || !picture) return [errorNode(404, 'item-not-found')]
    const [asked] = Array.isArray(iq.content) ? iq.content : []
    const { id, url } = picture
    return [{ tag: 'picture', attrs: { id, url, type: asked?.attrs.type ?? 'preview' } }]
  })

  return {
    /** Gives a person or group a picture, or takes it away; all clients hear of it. Answers where it lies. */
    set: (of: Person | string, bytes: Buffer | undefined): string | undefined => {
      changes += 1
      const id = String(changes)
      const url = bytes && host.put(bytes, 'image/jpeg').url
      if (url) pictures.set(of, { id, url })
      else pictures.delete(of)
      for (const person of whatsApp.people)
        for (const deviceId of person.devices.keys())
          whatsApp.deliver(person, deviceId, {
            tag: 'notification',
            attrs: {
              from: typeof of === 'string' ? of : of.address(whatsApp.addressing),
              type: 'picture',
              id: newStanzaId(),
              t: now(),
            },
            content: [{ tag: url ? 'set' : 'delete', attrs: { id } }],
          })
      return url
    },
  }
}
