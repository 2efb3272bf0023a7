import { Type, type Static } from 'typebox'
import { describe, expect, it } from 'vitest'
import { roles } from '../../src/roles.ts'
import { configOf, documentsIn, DRAIN_SECONDS, namesIn, PINNED, probePaths, shaped, yamlIn } from './files.ts'

const FOLDER = 'infra/kubernetes'
const Labels = Type.Record(Type.String(), Type.String())
const Resource = Type.Object({
  apiVersion: Type.String(),
  kind: Type.String(),
  metadata: Type.Object({ name: Type.String() }),
})
const Probe = Type.Object({ httpGet: Type.Object({ path: Type.String(), port: Type.String() }) })
const Container = Type.Object({
  image: Type.String(),
  ports: Type.Array(Type.Object({ name: Type.String(), containerPort: Type.Integer() })),
  envFrom: Type.Array(Type.Unknown()),
  env: Type.Array(
    Type.Object({
      name: Type.String(),
      value: Type.Optional(Type.String()),
      valueFrom: Type.Optional(Type.Object({ fieldRef: Type.Object({ fieldPath: Type.String() }) })),
    }),
  ),
  startupProbe: Probe,
  livenessProbe: Probe,
  readinessProbe: Probe,
  lifecycle: Type.Object({
    preStop: Type.Object({ exec: Type.Object({ command: Type.Array(Type.String()) }) }),
  }),
  resources: Type.Object({
    requests: Type.Object({ cpu: Type.String(), memory: Type.String() }),
    limits: Type.Object({ memory: Type.String() }),
  }),
  securityContext: Type.Object({
    allowPrivilegeEscalation: Type.Literal(false),
    readOnlyRootFilesystem: Type.Literal(true),
    capabilities: Type.Object({ drop: Type.Array(Type.String()) }),
  }),
  volumeMounts: Type.Array(Type.Object({ name: Type.String(), mountPath: Type.String() })),
})
const Deployment = Type.Object({
  kind: Type.Literal('Deployment'),
  metadata: Type.Object({ name: Type.String() }),
  spec: Type.Object({
    selector: Type.Object({ matchLabels: Labels }),
    template: Type.Object({
      metadata: Type.Object({ labels: Labels }),
      spec: Type.Object({
        automountServiceAccountToken: Type.Literal(false),
        terminationGracePeriodSeconds: Type.Integer(),
        securityContext: Type.Object({
          runAsNonRoot: Type.Literal(true),
          runAsUser: Type.Integer({ minimum: 1 }),
          seccompProfile: Type.Object({ type: Type.Literal('RuntimeDefault') }),
        }),
        containers: Type.Array(Container, { minItems: 1, maxItems: 1 }),
        volumes: Type.Array(Type.Object({ name: Type.String() })),
      }),
    }),
  }),
})
const Disruption = Type.Object({ spec: Type.Object({ selector: Type.Object({ matchLabels: Labels }) }) })

const kustomization = await yamlIn(
  `${FOLDER}/kustomization.yaml`,
  Type.Object({
    resources: Type.Array(Type.String()),
    images: Type.Array(Type.Object({ name: Type.String(), newName: Type.String(), newTag: Type.String() })),
    labels: Type.Array(Type.Object({ includeTemplates: Type.Boolean(), pairs: Labels })),
  }),
)
const documents = (
  await Promise.all(kustomization.resources.map((file) => documentsIn(`${FOLDER}/${file}`)))
).flat()
const ofKind = (kind: string) => documents.filter((document) => shaped(Resource, document).kind === kind)
const deployments = ofKind('Deployment').map((document) => shaped(Deployment, document))
const dataOf = (
  kind: string,
  from: readonly unknown[],
  key: 'data' | 'stringData',
): Record<string, string> => {
  const [found] = from.filter((document) => shaped(Resource, document).kind === kind)
  return shaped(Type.Object({ [key]: Labels }), found)[key] ?? {}
}
const containerOf = ({ spec }: Static<typeof Deployment>) => {
  const [container] = spec.template.spec.containers
  if (!container) throw new Error('There is no container')
  return container
}

describe('the Kubernetes manifests', () => {
  it('are all used, and the example of a secret is not', async () => {
    const files = (await namesIn(FOLDER)).filter((name) => name !== 'kustomization.yaml')
    expect([...kustomization.resources, 'secret.example.yaml'].toSorted()).toEqual(files.toSorted())
    expect(documents.length).toBeGreaterThan(8)
    expect(ofKind('Secret')).toEqual([])
  })

  it('give the program settings that it knows, and takes', async () => {
    const secret = dataOf('Secret', await documentsIn(`${FOLDER}/secret.example.yaml`), 'stringData')
    const shared = { ...dataOf('ConfigMap', documents, 'data'), ...secret }
    for (const deployment of deployments) {
      const { env, envFrom } = containerOf(deployment)
      expect(envFrom).toEqual([{ configMapRef: { name: 'zapini' } }, { secretRef: { name: 'zapini' } }])
      const own = env.map(({ name, value = '10.1.2.3' }) => [name, value.replace('$(POD_IP)', '10.1.2.3')])
      const config = configOf({ ...shared, ...Object.fromEntries(own) }, ['POD_IP'])
      expect(config.settings.nodeUrl).toBe('http://10.1.2.3:3000')
      expect(env.find(({ name }) => name === 'POD_IP')?.valueFrom?.fieldRef.fieldPath).toBe('status.podIP')
      expect(Object.keys(config.secrets)).toEqual(expect.arrayContaining(['databaseUrl', 'eventstoreUrl']))
      // Pods have no folder in common.
      expect(config.settings.s3Endpoint).toBeDefined()
    }
  })

  it('have somebody for every role', () => {
    const taken = deployments.flatMap((deployment) => {
      const { value = '' } = containerOf(deployment).env.find(({ name }) => name === 'ROLES') ?? {}
      return configOf({ ROLES: value }).settings.roles
    })
    expect(taken.toSorted()).toEqual([...roles].toSorted())
  })

  it('ask for health and readiness where there is an answer', () => {
    for (const deployment of deployments) {
      const { startupProbe, livenessProbe, readinessProbe, ports } = containerOf(deployment)
      expect([startupProbe, livenessProbe, readinessProbe].map(({ httpGet }) => httpGet.path)).toEqual([
        '/health',
        '/health',
        '/ready',
      ])
      for (const { httpGet } of [startupProbe, livenessProbe, readinessProbe]) {
        expect(probePaths).toContain(httpGet.path)
        expect(ports).toContainEqual({ name: httpGet.port, containerPort: 3000 })
      }
    }
  })

  it('let a pod do little: no root, nothing written but to its volumes', () => {
    for (const deployment of deployments) {
      const { securityContext, volumeMounts } = containerOf(deployment)
      expect(securityContext.capabilities.drop).toEqual(['ALL'])
      expect(volumeMounts.map(({ mountPath }) => mountPath)).toEqual(['/data', '/tmp'])
      const volumes = deployment.spec.template.spec.volumes.map(({ name }) => name)
      expect(volumeMounts.map(({ name }) => name)).toEqual(volumes)
    }
  })

  it('leave a pod the time that a stop may take', () => {
    for (const deployment of deployments) {
      const [command, seconds] = containerOf(deployment).lifecycle.preStop.exec.command
      expect(command).toBe('sleep')
      const needed = Number(seconds) + DRAIN_SECONDS + configOf({}).settings.webhookTimeoutSeconds
      expect(deployment.spec.template.spec.terminationGracePeriodSeconds).toBeGreaterThan(needed)
    }
  })

  it('find the pods that they are about', () => {
    const [labels] = kustomization.labels
    expect(labels?.includeTemplates).toBe(true)
    const components = deployments.map(({ spec }) => spec.template.metadata.labels)
    expect(deployments.map(({ spec }) => spec.selector.matchLabels)).toEqual(components)
    const disrupted = ofKind('PodDisruptionBudget').map((document) => shaped(Disruption, document).spec)
    expect(disrupted.map(({ selector }) => selector.matchLabels)).toEqual(components)
    const [service] = ofKind('Service').map((document) =>
      shaped(Type.Object({ spec: Type.Object({ selector: Labels }) }), document),
    )
    expect(components).toContainEqual(service?.spec.selector)
    const [policy] = ofKind('NetworkPolicy').map((document) =>
      shaped(
        Type.Object({ spec: Type.Object({ podSelector: Type.Object({ matchLabels: Labels }) }) }),
        document,
      ),
    )
    expect(labels?.pairs).toMatchObject(policy?.spec.podSelector.matchLabels ?? { none: 'there' })
  })

  it('name the image with its version', () => {
    const [image] = kustomization.images
    for (const deployment of deployments)
      expect(containerOf(deployment).image).toBe(`${image?.name}:${image?.newTag}`)
    expect(`${image?.newName}:${image?.newTag}`).toMatch(PINNED)
  })
})
