import { Ajv, type ValidateFunction } from 'ajv'
import { catalogue } from '../domain/catalogue.ts'
import type { DomainEvent } from '../domain/decider.ts'
import { withFormats } from '../formats.ts'

const ajv = withFormats(new Ajv({ allErrors: true, keywords: ['personal', 'secret'] }))

const validators = new Map<string, ValidateFunction>()
const validatorOf = (type: string) => {
  const known = validators.get(type)
  if (known) return known
  const schema = catalogue[type]
  if (!schema) throw new Error(`${type} is not in the event catalogue`)
  const validator = ajv.compile(schema.data)
  validators.set(type, validator)
  return validator
}

/** Throws unless the event is of a known type and its data fits the schema: nothing else may get into the log. */
export const validateEvent = ({ type, data }: DomainEvent) => {
  const validate = validatorOf(type)
  if (!validate(data))
    throw new TypeError(`${type} does not fit its schema: ${ajv.errorsText(validate.errors)}`)
}
