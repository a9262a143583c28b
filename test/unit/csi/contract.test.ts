/**
 * The contract in proto/csi.proto: its size, its secrets, its alpha marks and the details that are easily got wrong.
 */
import { readFileSync } from 'node:fs';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { contractFile } from '../../../src/model/package-root.js';
import { contract } from '../../../src/csi/proto.js';

const { root } = contract();
const csi = root.lookup('csi.v1') as protobuf.Namespace;

function below(space: protobuf.NamespaceBase): protobuf.ReflectionObject[] {
  return space.nestedArray.flatMap((one) => [one, ...(one instanceof protobuf.Namespace ? below(one) : [])]);
}
const all = below(csi);
const messages = all.filter((one) => one instanceof protobuf.Type);
const fields = messages.flatMap((message) => message.fieldsArray);
const enums = all.filter((one) => one instanceof protobuf.Enum);
const services = all.filter((one) => one instanceof protobuf.Service);
const short = (one: protobuf.ReflectionObject): string => one.fullName.replace('.csi.v1.', '');

const SECRETS = [
  'CreateVolumeRequest',
  'DeleteVolumeRequest',
  'ControllerPublishVolumeRequest',
  'ControllerUnpublishVolumeRequest',
  'ValidateVolumeCapabilitiesRequest',
  'ControllerModifyVolumeRequest',
  'CreateSnapshotRequest',
  'DeleteSnapshotRequest',
  'ListSnapshotsRequest',
  'GetSnapshotRequest',
  'ControllerExpandVolumeRequest',
  'NodeStageVolumeRequest',
  'NodePublishVolumeRequest',
  'NodeExpandVolumeRequest',
  'CreateVolumeGroupSnapshotRequest',
  'DeleteVolumeGroupSnapshotRequest',
  'GetVolumeGroupSnapshotRequest',
  'GetMetadataAllocatedRequest',
  'GetMetadataDeltaRequest',
].map((message) => `${message}.secrets`);

describe('the CSI 1.12.0 contract', () => {
  it('has 5 services, 32 methods, 94 messages, 40 maps, 196 fields, 6 oneofs, 8 enums and 47 values', () => {
    expect({
      services: services.length,
      methods: services.flatMap((service) => service.methodsArray).length,
      messages: messages.length,
      maps: fields.filter((field) => field.map).length,
      fields: fields.length,
      oneofs: messages.flatMap((message) => message.oneofsArray).length,
      enums: enums.length,
      values: enums.flatMap((one) => Object.keys(one.values)).length,
    }).toEqual({ services: 5, methods: 32, messages: 94, maps: 40, fields: 196, oneofs: 6, enums: 8, values: 47 });
  });

  it('is proto3, package csi.v1, with the go_package that other languages find it by', () => {
    const text = readFileSync(contractFile(), 'utf8');
    expect(text).toContain('syntax = "proto3";\npackage csi.v1;');
    expect(root.getOption('go_package') ?? csi.getOption('go_package')).toBe(
      'github.com/container-storage-interface/spec/lib/go/csi',
    );
  });

  it('marks exactly these fields as secret', () => {
    expect(fields.filter((field) => field.options?.['(csi_secret)'] === true).map(short)).toEqual(SECRETS);
  });

  it('leaves no field called secrets unmarked', () => {
    const named = fields.filter((field) => field.name === 'secrets');
    expect(named.map(short)).toEqual(SECRETS);
  });

  it('declares its options under the published numbers', () => {
    const extensions = csi.nestedArray.filter((one) => one instanceof protobuf.Field);
    expect(extensions.map((one) => [one.name, one.extend, one.id])).toEqual([
      ['alphaEnum', 'google.protobuf.EnumOptions', 1060],
      ['alphaEnumValue', 'google.protobuf.EnumValueOptions', 1060],
      ['csiSecret', 'google.protobuf.FieldOptions', 1059],
      ['alphaField', 'google.protobuf.FieldOptions', 1060],
      ['alphaMessage', 'google.protobuf.MessageOptions', 1060],
      ['alphaMethod', 'google.protobuf.MethodOptions', 1060],
      ['alphaService', 'google.protobuf.ServiceOptions', 1060],
    ]);
  });

  it('marks as alpha what 1.12 marks, ModifyVolume no longer', () => {
    const marked = (option: string, ones: readonly protobuf.ReflectionObject[]): string[] =>
      ones.filter((one) => one.options?.[option] === true).map(short);
    expect(marked('(alpha_service)', services)).toEqual(['SnapshotMetadata']);
    expect(
      marked(
        '(alpha_method)',
        services.flatMap((service) => service.methodsArray),
      ),
    ).toEqual(['Controller.GetSnapshot', 'Controller.ControllerGetVolume']);
    expect(marked('(alpha_message)', messages)).toEqual([
      'ControllerGetVolumeRequest',
      'ControllerGetVolumeResponse',
      'GetSnapshotRequest',
      'GetSnapshotResponse',
      'VolumeCondition',
    ]);
    expect(marked('(alpha_field)', fields)).toEqual([
      'ListVolumesResponse.VolumeStatus.volumeCondition',
      'GetCapacityResponse.minimumVolumeSize',
      'NodeGetVolumeStatsResponse.volumeCondition',
      'NodeExpandVolumeRequest.secrets',
    ]);
  });

  it('marks the alpha values of its enums', () => {
    const marked = enums.flatMap((one) =>
      Object.entries(one.valuesOptions ?? {})
        .filter(([, options]) => options['(alpha_enum_value)'] === true)
        .map(([value]) => `${short(one)}.${value}`),
    );
    expect(marked).toEqual([
      'PluginCapability.Service.Type.SNAPSHOT_METADATA_SERVICE',
      'VolumeCapability.AccessMode.Mode.SINGLE_NODE_SINGLE_WRITER',
      'VolumeCapability.AccessMode.Mode.SINGLE_NODE_MULTI_WRITER',
      'ControllerServiceCapability.RPC.Type.VOLUME_CONDITION',
      'ControllerServiceCapability.RPC.Type.GET_VOLUME',
      'ControllerServiceCapability.RPC.Type.SINGLE_NODE_MULTI_WRITER',
      'ControllerServiceCapability.RPC.Type.GET_SNAPSHOT',
      'NodeServiceCapability.RPC.Type.VOLUME_CONDITION',
      'NodeServiceCapability.RPC.Type.SINGLE_NODE_MULTI_WRITER',
    ]);
  });

  it('streams only the answers of SnapshotMetadata', () => {
    const streams = services.flatMap((service) => service.methodsArray).filter((method) => method.responseStream);
    expect(streams.map(short)).toEqual(['SnapshotMetadata.GetMetadataAllocated', 'SnapshotMetadata.GetMetadataDelta']);
    expect(services.flatMap((service) => service.methodsArray).filter((method) => method.requestStream)).toEqual([]);
  });

  it.each([
    ['NodePublishVolumeRequest', 'stagingTargetPath', 3, 'string'],
    ['NodePublishVolumeRequest', 'targetPath', 4, 'string'],
    ['NodePublishVolumeRequest', 'volumeContext', 8, 'string'],
    ['NodeExpandVolumeRequest', 'secrets', 6, 'string'],
    ['ListSnapshotsRequest', 'secrets', 5, 'string'],
    ['ControllerExpandVolumeRequest', 'volumeCapability', 4, 'VolumeCapability'],
    ['CapacityRange', 'limitBytes', 2, 'int64'],
    ['ListVolumesRequest', 'maxEntries', 1, 'int32'],
    ['ProbeResponse', 'ready', 1, 'google.protobuf.BoolValue'],
    ['Snapshot', 'creationTime', 4, 'google.protobuf.Timestamp'],
  ])('%s.%s is number %i of type %s', (message, field, id, type) => {
    expect(csi.lookupType(message).fields[field]).toMatchObject({ id, type });
  });
});
