/** What may import what (docs/architecture.md). Types count like values. Run by `npm run deps`. */

const forbid = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to })

/** The command line, the files that start the parts and the application for it, and what only these need. */
const program = '((main|parts|storage|serve|config|followed-log|encryption-key)[.]ts$|cli/)'

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    forbid(
      'domain-is-pure',
      'The domain knows itself, schemas, ids and patterns. What it needs from outside comes as an argument.',
      { path: '^src/domain/' },
      { pathNot: ['^src/domain/', '^node_modules/(typebox|re2js)/', '^(node:)?(crypto|util)$'] },
    ),
    forbid(
      'ports-speak-domain',
      'A port is said in words of the domain, so that no adapter shows through it. Bytes come in streams.',
      { path: '^src/ports/' },
      { pathNot: ['^src/(ports|domain)/', '^(node:)?stream$'] },
    ),
    forbid(
      'projections-only-project',
      'A projection is replayed: it must not be able to act.',
      { path: '^src/projections/' },
      { path: '^src/(write|reactions|webhooks|http|cli)/' },
    ),
    forbid(
      'writing-reads-the-log',
      'A decision rests on the stream, not on a read model, and does not know who asks for it.',
      { path: '^src/write/' },
      { path: '^src/(projections|reactions|webhooks|http|cli)/' },
    ),
    forbid(
      'public-events-are-made-of-the-log',
      'What is told follows from the log alone; who tells it to whom is not known here.',
      { path: '^src/public-events/' },
      { pathNot: ['^src/(public-events|domain|ports)/', '^node_modules/lru-cache/'] },
    ),
    forbid(
      'reactions-know-no-edge',
      'What happens by itself depends on no request and on no delivery.',
      { path: '^src/reactions/' },
      { path: '^src/(webhooks|http|cli)/' },
    ),
    forbid(
      'webhooks-tell-what-happened',
      'Webhooks take public events from the bus; they neither write nor answer requests.',
      { path: '^src/webhooks/' },
      { path: '^src/(write|reactions|http|cli)/' },
    ),
    forbid(
      'http-starts-no-reactions',
      'A request writes; the reactions follow from the log.',
      { path: '^src/http/' },
      { path: '^src/(reactions|cli)/' },
    ),
    forbid(
      'adapters-are-chosen-in-one-place',
      'Only parts.ts and storage.ts, which go by the configuration, name adapters (and tests do); all else knows its port.',
      { path: '^src/', pathNot: ['^src/(parts|storage)[.]ts$', '^src/adapters/'] },
      { path: '^src/adapters/' },
    ),
    forbid(
      'whatsapp-stays-behind-its-port',
      'The client of WhatsApp, and the GPL-licensed library in it, are loaded by its adapter alone.',
      { path: '^src/', pathNot: '^src/adapters/baileys/' },
      { path: '^node_modules/(@whiskeysockets|libsignal)/' },
    ),
    forbid(
      'adapters-know-ports',
      'An adapter fulfils a port in words of the domain.',
      { path: '^src/adapters/' },
      {
        path: '^src/',
        pathNot: '^src/((adapters|ports|domain)/|(aborted|formats|local-turns|places)[.]ts$)',
      },
    ),
    forbid(
      'adapters-are-strangers',
      'An adapter can be replaced alone. Shared: the tail of the log, small helpers, and tables for the migrations.',
      { path: '^src/adapters/([^/]+)/' },
      {
        path: '^src/adapters/',
        pathNot: [
          '^src/adapters/$1/',
          '^src/adapters/(tail|within)[.]ts$',
          '^src/adapters/postgres/(coalesce|errors|pool)[.]ts$',
          '^src/adapters/[^/]+/tables[.]sql[.]ts$',
        ],
      },
    ),
    forbid(
      'the-program-is-the-top',
      'Nobody below imports what puts the program together.',
      { path: '^src/', pathNot: `^src/(app[.]ts$|app/|${program})` },
      { path: `^src/(app[.]ts$|app/|${program})` },
    ),
    forbid(
      'no-circles',
      'Two files that need each other are one, or lack a third. Types may: `Database` names the rows of every projection.',
      {},
      { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    ),
    forbid('no-orphans', 'Nobody uses this file, and it uses nobody.', { orphan: true }, {}),
    forbid(
      'product-needs-product',
      'src runs without the development dependencies, the tests and the benchmarks.',
      { path: '^src/' },
      { path: '^(test|bench|scripts|examples)/' },
    ),
    forbid(
      'declared-dependencies',
      'What src imports stands under "dependencies" of package.json.',
      { path: '^src/' },
      { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['npm', 'type-only'] },
    ),
    forbid('everything-resolves', 'There is no such file or package.', {}, { couldNotResolve: true }),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'types', 'node', 'default'],
    },
  },
}
