import { Type } from 'typebox'
import { expect, it } from 'vitest'
import { allMetrics } from '../support/operations.ts'
import { yamlIn } from './files.ts'

const Rules = Type.Object({
  groups: Type.Array(
    Type.Object({
      name: Type.String(),
      rules: Type.Array(
        Type.Object({
          alert: Type.String(),
          expr: Type.String(),
          labels: Type.Object({ severity: Type.String() }),
          annotations: Type.Object({ summary: Type.String() }),
        }),
      ),
    }),
  ),
})

it('alerts are about metrics that there are', async () => {
  const metrics = await allMetrics()
  const names = metrics.flatMap(({ name, kind }) =>
    kind === 'histogram' ? ['bucket', 'count', 'sum'].map((part) => `${name}_${part}`) : [name],
  )
  const { groups } = await yamlIn('infra/prometheus/alerts.yaml', Rules)
  const rules = groups.flatMap((group) => group.rules)
  expect(rules.length).toBeGreaterThan(8)
  for (const { alert, expr } of rules) {
    const used = [...expr.matchAll(/(?<!\w)([a-z]\w+)(?=\{)/g)].map(([, name = '']) => name)
    expect(used.length, alert).toBeGreaterThan(0)
    expect(
      used.filter((name) => name !== 'up' && !names.includes(name)),
      alert,
    ).toEqual([])
  }
})
