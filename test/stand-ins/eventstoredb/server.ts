import { randomUUID } from 'node:crypto'
import {
  Server,
  ServerCredentials,
  status,
  type Metadata,
  type sendUnaryData,
  type ServerUnaryCall,
} from '@grpc/grpc-js'
import gossip from '@eventstore/db-client/generated/gossip_pb.js'
import type { ClusterInfo } from '@eventstore/db-client/generated/gossip_pb.js'
import gossipServices from '@eventstore/db-client/generated/gossip_grpc_pb.js'
import features from '@eventstore/db-client/generated/serverfeatures_pb.js'
import type { SupportedMethods } from '@eventstore/db-client/generated/serverfeatures_pb.js'
import featureServices from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import type { Empty } from '@eventstore/db-client/generated/shared_pb.js'
import type {
  AppendReq,
  AppendResp,
  BatchAppendReq,
  BatchAppendResp,
  DeleteReq,
  DeleteResp,
  ReadResp,
  TombstoneReq,
  TombstoneResp,
} from '@eventstore/db-client/generated/streams_pb.js'
import streamServices from '@eventstore/db-client/generated/streams_grpc_pb.js'
import type { ServerDuplexStream, ServerReadableStream } from '@grpc/grpc-js'
import { append, batchAppend } from './append.ts'
import type { Log } from './log.ts'
import { createRead, type ReadCall } from './read.ts'
import { refusal, unauthenticated } from './refusals.ts'
import { softDelete, tombstone } from './remove.ts'

export type ServerOptions = {
  /** Speaks TLS with these, as PEM. */
  readonly tls?: { readonly key: Buffer; readonly certificate: Buffer }
  /** Who may use streams, as `user:password`; without it, anybody. */
  readonly login?: string
  /** So many questions about what the server can do fail at first. */
  readonly failFeatures: number
  /** A stream whose reading is always refused because the server is too busy. */
  readonly busyStream?: string
}

const MESSAGE_MAX_BYTES = 17 * 1024 * 1024
const VERSION = '24.10.0'

/** Events are ready bytes; all else is a message. */
const streamsService = {
  ...streamServices.StreamsService,
  read: {
    ...streamServices.StreamsService.read,
    responseSerialize: (answer: ReadResp | Buffer) =>
      Buffer.isBuffer(answer) ? answer : Buffer.from(answer.serializeBinary()),
  },
}

/** Starts it; answers the port. */
export const startServer = async (log: Log, port: number, options: ServerOptions) => {
  const server = new Server({ 'grpc.max_receive_message_length': MESSAGE_MAX_BYTES })
  const expected = options.login && `Basic ${Buffer.from(options.login).toString('base64')}`
  const isKnown = ({ metadata }: { readonly metadata: Metadata }) =>
    expected === undefined || metadata.get('authorization')[0] === expected
  const read = createRead(log, options.busyStream)

  server.addService(streamsService, {
    read: (call: ReadCall) => {
      if (isKnown(call)) read(call)
      else call.emit('error', unauthenticated())
    },
    append: (call: ServerReadableStream<AppendReq, AppendResp>, answer: sendUnaryData<AppendResp>) => {
      if (isKnown(call)) append(log, call, answer)
      else answer(unauthenticated())
    },
    batchAppend: (call: ServerDuplexStream<BatchAppendReq, BatchAppendResp>) => {
      if (isKnown(call)) batchAppend(log, call)
      else call.emit('error', unauthenticated())
    },
    delete: (call: ServerUnaryCall<DeleteReq, DeleteResp>, answer: sendUnaryData<DeleteResp>) => {
      if (isKnown(call)) softDelete(log, call, answer)
      else answer(unauthenticated())
    },
    tombstone: (call: ServerUnaryCall<TombstoneReq, TombstoneResp>, answer: sendUnaryData<TombstoneResp>) => {
      if (isKnown(call)) tombstone(log, call, answer)
      else answer(unauthenticated())
    },
  })

  let toFail = options.failFeatures
  server.addService(featureServices.ServerFeaturesService, {
    getSupportedMethods: (_call: unknown, answer: sendUnaryData<SupportedMethods>) => {
      if (toFail-- > 0) answer(refusal(status.INTERNAL, 'Asked to fail'))
      else answer(null, supportedMethods())
    },
  })
  server.addService(gossipServices.GossipService, {
    read: (_call: ServerUnaryCall<Empty, ClusterInfo>, answer: sendUnaryData<ClusterInfo>) =>
      answer(null, onlyMember(boundTo)),
  })

  const credentials = options.tls
    ? ServerCredentials.createSsl(null, [
        { private_key: options.tls.key, cert_chain: options.tls.certificate },
      ])
    : ServerCredentials.createInsecure()
  const boundTo = await new Promise<number>((done, failed) =>
    server.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) =>
      error ? failed(error) : done(bound),
    ),
  )
  return boundTo
}

const supportedMethods = () => {
  const answer = new features.SupportedMethods()
  answer.setEventStoreServerVersion(VERSION)
  for (const name of ['read', 'append', 'batchappend', 'delete', 'tombstone']) {
    const method = new features.SupportedMethod()
    method.setServiceName('event_store.client.streams.streams')
    method.setMethodName(name)
    if (name === 'read') method.setFeaturesList(['position', 'events'])
    if (name === 'batchappend') method.setFeaturesList(['deadline_duration'])
    answer.addMethods(method)
  }
  return answer
}

/** The cluster, which is this one node. */
const onlyMember = (port: number) => {
  const endPoint = new gossip.EndPoint()
  endPoint.setAddress('localhost')
  endPoint.setPort(port)
  const id = new shared.UUID()
  id.setString(randomUUID())
  const member = new gossip.MemberInfo()
  member.setInstanceId(id)
  member.setTimeStamp(String(BigInt(Date.now()) * 10_000n))
  member.setState(gossip.MemberInfo.VNodeState.LEADER)
  member.setIsAlive(true)
  member.setHttpEndPoint(endPoint)
  const answer = new gossip.ClusterInfo()
  answer.addMembers(member)
  return answer
}
