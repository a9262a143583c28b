/** The few fields of a Pod that are looked at, where kubectl sends it as protobuf (generated.proto of core/v1). */
import protobuf from 'protobufjs';
import type { KubeObject } from '../../../../src/manifests/kube-object.js';

const { root } = protobuf.parse(`syntax = "proto2";
message Unknown { optional TypeMeta typeMeta = 1; optional bytes raw = 2; }
message TypeMeta { optional string apiVersion = 1; optional string kind = 2; }
message Pod { optional Metadata metadata = 1; optional Spec spec = 2; }
message Metadata { optional string name = 1; optional string namespace = 3; }
message Spec { repeated Volume volumes = 1; repeated Container containers = 2; optional string nodeName = 10; }
message Volume { optional string name = 1; optional Source source = 2; }
message Source { optional HostPath hostPath = 1; }
message HostPath { optional string path = 1; }
message Container {
  optional string name = 1; optional string image = 2; repeated string command = 3; repeated string args = 4;
  repeated Mount volumeMounts = 9; optional SecurityContext securityContext = 15;
}
message Mount { optional string name = 1; optional string mountPath = 3; }
message SecurityContext { optional bool privileged = 2; optional int32 runAsUser = 4; optional int32 runAsGroup = 8; }
`);

const MAGIC = Buffer.from('k8s\0');

interface Spec {
  readonly volumes: readonly { readonly name: string; readonly source?: object }[];
}

/** Undefined where it is no protobuf. */
export function podOf(body: Buffer): KubeObject | undefined {
  if (!body.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  const unknown = root.lookupType('Unknown').decode(body.subarray(MAGIC.length)).toJSON();
  const { kind } = unknown['typeMeta'] as { readonly kind: string };
  if (kind !== 'Pod') throw new Error(`${kind} is not read as protobuf`);
  const type = root.lookupType('Pod');
  const pod = type.toObject(type.decode(Buffer.from(unknown['raw'] as string, 'base64')), { arrays: true });
  const spec = pod['spec'] as Spec;
  const volumes = spec.volumes.map(({ name, source }) => ({ name, ...source }));
  return {
    apiVersion: 'v1',
    kind,
    metadata: pod['metadata'] as object,
    spec: { ...spec, volumes },
  } as unknown as KubeObject;
}
