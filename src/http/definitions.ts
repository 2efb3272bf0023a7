import { Ajv, type ValidateFunction } from 'ajv'
import { Type } from 'typebox'
import { complaints } from '../complaints.ts'
import type { AutomationKind } from '../domain/automation.ts'
import { invalid, Refusal } from '../domain/errors.ts'
import { Flow, mustBeRunnable, stepsWithin } from '../domain/flow-definition.ts'
import { GivenIntegration } from '../domain/integration.ts'
import { withFormats } from '../formats.ts'

// Stops at the first complaint: a definition can be wrong in more places than anybody could name.
const ajv = withFormats(new Ajv({ verbose: true, keywords: ['secret'] }))

/** Made when first needed: a flow's schema is large. */
const checkOf = <T>(compile: () => ValidateFunction<{ definition: T }>) => {
  let validate: ValidateFunction<{ definition: T }> | undefined
  return (definition: unknown): T => {
    const given: unknown = { definition }
    validate ??= compile()
    if (validate(given)) return given.definition
    throw new Refusal('VALIDATION_FAILED', 'The request is not valid.', complaints(validate.errors ?? []))
  }
}
const checkFlow = checkOf<Flow>(() => ajv.compile(Type.Object({ definition: Flow })))
const checkIntegration = checkOf<GivenIntegration>(() =>
  ajv.compile(Type.Object({ definition: GivenIntegration })),
)

type World = {
  readonly refusedUrl: (url: string) => string | undefined
  /** Those of some ids that are tags of the caller. */
  readonly knownTags: (ids: readonly string[]) => Promise<ReadonlySet<string>>
}

/** Checks a definition, which fits its kind and the world around it: addresses and tags. Names what is wrong. */
export const checkDefinition = async (
  kind: AutomationKind,
  definition: unknown,
  world: World,
): Promise<Flow | GivenIntegration> => {
  if (kind === 'flow') return checkAround(checkFlow(definition), world)
  const integration = checkIntegration(definition)
  mustBeReachable(integration.url, 'definition.url', world)
  return integration
}

const mustBeReachable = (url: string, field: string, { refusedUrl }: World) => {
  const refused = refusedUrl(url)
  if (refused !== undefined) throw invalid(field, refused)
}

const checkAround = async (flow: Flow, world: World): Promise<Flow> => {
  mustBeRunnable(flow, 'definition')
  const tags: { field: string; id: string }[] = []
  for (const { step, at } of stepsWithin(flow.steps, 'definition.steps')) {
    if (step.type === 'media') mustBeReachable(step.media_url, `${at}.media_url`, world)
    if (step.type !== 'tag') continue
    for (const list of ['add', 'remove'] as const)
      for (const id of step[list] ?? []) tags.push({ field: `${at}.${list}`, id })
  }
  const known = await world.knownTags(tags.map(({ id }) => id))
  const unknown = tags.find(({ id }) => !known.has(id))
  if (unknown) throw invalid(unknown.field, 'must be tags that exist')
  return flow
}
