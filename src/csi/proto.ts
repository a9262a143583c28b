/** The CSI contract, loaded once: typed services and clients for gRPC, and its descriptor for redaction and limits. */
import { createRequire } from 'node:module';
import { makeClientConstructor, type MethodDefinition, type ServiceDefinition } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { berthError } from '../model/errors.js';
import type { ProtoGrpcType } from './gen/csi.js';
import { contractFile } from '../model/package-root.js';

/** Equal to the flags of `npm run gen`: the generated types are true only as long as these agree. */
const AS_OBJECT: protobuf.IConversionOptions = { longs: String, enums: String, defaults: true, oneofs: true };

const SERVICES = ['Identity', 'Controller', 'GroupController', 'SnapshotMetadata', 'Node'] as const;

export interface Contract {
  /** Services by name, each with `.service` (its definition) and itself the client's constructor. */
  readonly v1: Pick<ProtoGrpcType['csi']['v1'], (typeof SERVICES)[number]>;
  readonly root: protobuf.Root;
}

interface Bundled {
  readonly nested: { google: { nested: { protobuf: { nested: Record<string, protobuf.AnyNestedObject> } } } };
}

let loaded: Contract | undefined;

/** Parses proto/csi.proto at the first call. BERTH_CONFIG_INVALID where the file is missing. */
export function contract(): Contract {
  loaded ??= load();
  return loaded;
}

const requestTypes = new Map<string, protobuf.Type>();

/** The request message of a method by its gRPC path, e.g. `/csi.v1.Node/NodeStageVolume`. */
export function requestType(rpcPath: string): protobuf.Type {
  const known = requestTypes.get(rpcPath);
  if (known !== undefined) return known;
  const [, service = '', method = ''] = rpcPath.split('/');
  const type = typesOf(contract().root.lookupService(service).methods[method], rpcPath).request;
  requestTypes.set(rpcPath, type);
  return type;
}

function load(): Contract {
  // Not through proto-loader: it drops the custom options that redaction stands on, and encodes a descriptor of every
  // message for a reflection that nobody asks for, which is half of the driver's start (125 ms against 50 ms).
  const bundled = createRequire(import.meta.url)('protobufjs/google/protobuf/descriptor.json') as Bundled;
  protobuf.common('descriptor', bundled.nested.google.nested.protobuf.nested);
  const root = protobuf.loadSync(contractFile());
  root.resolveAll();
  const v1 = Object.fromEntries(
    SERVICES.map((name) => [name, makeClientConstructor(definitionOf(root.lookupService(`csi.v1.${name}`)), name)]),
  );
  // What was read from the file carries no types; those generated from the same file do.
  return { root, v1: v1 as unknown as Contract['v1'] };
}

function definitionOf(service: protobuf.Service): ServiceDefinition {
  return Object.fromEntries(
    service.methodsArray.map((method): [string, MethodDefinition<object, object>] => {
      const path = `/${service.fullName.slice(1)}/${method.name}`;
      const { request, response } = typesOf(method, path);
      return [
        method.name,
        {
          path,
          originalName: protobuf.util.lcFirst(method.name),
          requestStream: method.requestStream === true,
          responseStream: method.responseStream === true,
          requestSerialize: serializer(request),
          requestDeserialize: deserializer(request),
          responseSerialize: serializer(response),
          responseDeserialize: deserializer(response),
        },
      ];
    }),
  );
}

function typesOf(
  method: protobuf.Method | undefined,
  path: string,
): { request: protobuf.Type; response: protobuf.Type } {
  const { resolvedRequestType: request, resolvedResponseType: response } = method ?? {};
  if (!request || !response) throw berthError('BERTH_INTERNAL', { what: `${path} is not in the contract` });
  return { request, response };
}

const serializer =
  (type: protobuf.Type) =>
  (message: object): Buffer =>
    Buffer.from(type.encode(type.fromObject(message)).finish());

const deserializer =
  (type: protobuf.Type) =>
  (bytes: Buffer): object =>
    type.toObject(type.decode(bytes), AS_OBJECT);
