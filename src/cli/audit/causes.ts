import type { CauseStep } from '../../audit/causes.ts'
import { printable } from '../printable.ts'
import { actorText } from './formats.ts'

const attempts = (step: CauseStep & { readonly kind: 'delivery' }) =>
  step.attempts.map(
    ({ number, at, status, error, duration_ms }) =>
      `  attempt ${number}  ${at}  ${status === null ? (error ?? 'failed') : `status ${status}`} in ${duration_ms} ms`,
  )

/** What is known of one step, for people. */
const stepText = (step: CauseStep): string[] => {
  switch (step.kind) {
    case 'delivery':
      return [`delivery ${step.id}, ${step.state}`, ...attempts(step)]
    case 'public_event':
      return [`webhook event ${step.event} ${step.id}`]
    case 'event':
      return [
        `${step.type} ${step.id}`,
        `  ${step.at}  ${actorText(step.actor)}: ${step.summary}`,
        `  ${step.stream}, revision ${step.revision}`,
      ]
    case 'request':
    case 'whatsapp':
    case 'system': {
      const message =
        step.whatsapp_message_id === null ? '' : `, WhatsApp message ${step.whatsapp_message_id}`
      const origin = { request: 'request', whatsapp: 'WhatsApp', system: 'the program itself' }[step.kind]
      return [`${origin} ${step.correlation_id} by ${actorText(step.actor)}${message}`]
    }
    case 'unknown':
      return [`event ${step.id}, which is not in this log, or too far back`]
  }
}

/** The chain, each step below what it led to. */
export const chainText = (chain: readonly CauseStep[]) =>
  chain
    .map((step) => stepText(step).map(printable))
    .map(([first = '', ...rest], n) =>
      [`${n === 0 ? '' : '← '}${first}`, ...rest.map((line) => `${n === 0 ? '' : '  '}${line}`)].join('\n'),
    )
    .join('\n')
