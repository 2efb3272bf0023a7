import { expect } from 'vitest'
import { fold, type Decide, type Decider, type DomainEvent } from '../../src/domain/decider.ts'
import { Refusal, type ErrorCode } from '../../src/domain/errors.ts'
import { validateEvent } from '../../src/write/validate-event.ts'

/** What a decision gives, a refusal being as good as nothing. */
export const decideOrNothing = <S, E extends DomainEvent>(decide: Decide<S, E>, state: S): readonly E[] => {
  try {
    return decide(state)
  } catch (error) {
    if (error instanceof Refusal) return []
    throw error
  }
}

/**
 * `given(past).when(decision).then(events)`: the events fit their schemas, and the same decision asked again on the new
 * state decides nothing or refuses. `refuses(code)` for a decision that is refused.
 */
export const specification = <S, E extends DomainEvent>(decider: Decider<S, E>) => ({
  given: (...past: E[]) => ({
    when: (decide: Decide<S, E>) => {
      const state = fold(decider, past)
      return {
        then: (...expected: E[]) => {
          const events = decide(state)
          expect(events).toEqual(expected)
          events.forEach(validateEvent)
          expect(decideOrNothing(decide, fold(decider, events, state)), 'the same decision again').toEqual([])
        },
        refuses: (code: ErrorCode) => {
          expect(() => decide(state)).toThrow(expect.objectContaining({ name: 'Refusal', code }))
        },
      }
    },
  }),
})
