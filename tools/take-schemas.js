// Writes test/schemas: the kinds that Berth's manifests have, as each Kubernetes release publishes them. The registry's
// packages have them as TypeScript, made of the release's OpenAPI; what is not reached from our kinds, statuses and
// texts are left out. Unknown fields are refused, as `kubectl apply` asks for since 1.27.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import ts from 'typescript';

const KINDS = [
  ...['ConfigMap', 'Namespace', 'PersistentVolumeClaim', 'Pod', 'Secret', 'Service', 'ServiceAccount'].map(
    (kind) => `v1 ${kind}`,
  ),
  ...['DaemonSet', 'Deployment', 'StatefulSet'].map((kind) => `apps/v1 ${kind}`),
  'networking.k8s.io/v1 NetworkPolicy',
  'node.k8s.io/v1 RuntimeClass',
  'policy/v1 PodDisruptionBudget',
  ...['ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding'].map((kind) => `rbac.authorization.k8s.io/v1 ${kind}`),
  ...['CSIDriver', 'StorageClass'].map((kind) => `storage.k8s.io/v1 ${kind}`),
];
const MONITORING = ['PrometheusRule', 'ServiceMonitor'].map((kind) => `monitoring.coreos.com/v1 ${kind}`);

/** The official client's models are one file each; those of kubernetes-types one for each group. */
const inClient = (kind) => `V1${kind.split(' ')[1]}`;
const inTypes = (kind) => {
  const [version, name] = kind.split(' ');
  const group = version.includes('/') ? version.split('/')[0].split('.')[0] : 'core';
  return `${group}/v1 ${name}`;
};

const client = (version) => ({ package: '@kubernetes/client-node', version, below: 'dist/gen/models', of: inClient });
const types = (version) => ({ package: 'kubernetes-types', version, below: '.', of: inTypes, grouped: true });
const SOURCES = {
  'kubernetes-1.26': { ...types('1.26.0'), kinds: KINDS },
  'kubernetes-1.30': { ...types('1.30.0'), kinds: KINDS },
  'kubernetes-1.33': { ...client('1.3.0'), kinds: KINDS },
  'kubernetes-1.34': { ...client('1.4.0'), kinds: KINDS },
  'kubernetes-1.36': { ...client('2.0.1'), kinds: KINDS },
  'prometheus-operator': {
    package: '@kubernetes-models/prometheus-operator',
    version: '6.0.0',
    below: 'monitoring.coreos.com/v1',
    kinds: MONITORING,
    of: (kind) => `I${kind.split(' ')[1]}`,
  },
};

/** What stands for plain values in these packages; of other packages' types only that they are objects. */
const PLAIN = {
  Date: { type: 'string' },
  V1MicroTime: { type: 'string' },
  Time: { type: 'string' },
  Quantity: { type: 'string' },
  IntOrString: { type: ['integer', 'string'] },
  FieldsV1: { type: 'object' },
};
/** What no manifest says: the server's own part. */
const SERVERS = new Set(['status', 'managedFields']);

function declarationsIn(directory, grouped) {
  const found = new Map();
  for (const file of readdirSync(directory, { recursive: true })) {
    if (!file.endsWith('.d.ts')) continue;
    const source = ts.createSourceFile(file, readFileSync(path.join(directory, file), 'utf8'), ts.ScriptTarget.Latest);
    const group = grouped ? `${file.replace(/\.d\.ts$/, '')} ` : '';
    const imported = importsOf(source, grouped ? path.dirname(file) : undefined);
    for (const one of source.statements) {
      const isType = ts.isInterfaceDeclaration(one) || ts.isClassDeclaration(one) || ts.isTypeAliasDeclaration(one);
      if (isType && one.name) found.set(`${group}${one.name.text}`, { node: one, source, group, imported });
    }
    for (const { name, propertyName } of source.statements.flatMap((one) => one.exportClause?.elements ?? []))
      if (propertyName !== undefined) found.set(name.text, found.get(propertyName.text));
  }
  return found;
}

/** Names that a file takes from another, by the group of that one. */
function importsOf(source, from) {
  const names = new Map();
  for (const one of source.statements.filter(ts.isImportDeclaration)) {
    const target = one.moduleSpecifier.text;
    const group = from === undefined ? '' : `${path.join(from, target)} `;
    for (const { name, propertyName } of one.importClause?.namedBindings?.elements ?? [])
      names.set(name.text, target.startsWith('.') ? `${group}${(propertyName ?? name).text}` : undefined);
  }
  return names;
}

class Taker {
  definitions = {};
  #all;

  constructor(all) {
    this.#all = all;
  }

  /** @returns a reference to it, after which it is among the definitions */
  take(name) {
    const found = this.#all.get(name);
    if (found === undefined) throw new Error(`${name} is nowhere`);
    const key = name.replaceAll(/[ /]/g, '.');
    if (this.definitions[key] === undefined) {
      this.definitions[key] = {};
      const made = ts.isTypeAliasDeclaration(found.node) ? this.#typeOf(found.node.type, found) : this.#objectOf(found);
      Object.assign(this.definitions[key], made);
    }
    return { $ref: `#/definitions/${key}` };
  }

  #objectOf(found) {
    const properties = {};
    const required = [];
    for (const member of found.node.members) {
      const isStatic = member.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.StaticKeyword);
      if (isStatic || !(ts.isPropertySignature(member) || ts.isPropertyDeclaration(member))) continue;
      // The generator of the official client renames what is a word of JavaScript.
      const name = member.name.text.replace(/^_(?=[a-z])/, '');
      if (SERVERS.has(name)) continue;
      properties[name] = this.#typeOf(member.type, found);
      if (member.questionToken === undefined) required.push(name);
    }
    for (const { expression } of found.node.heritageClauses?.flatMap(({ types }) => types) ?? [])
      this.#inherit(expression.getText(found.source), found, { properties, required });
    return { type: 'object', properties, ...(required.length > 0 && { required }), additionalProperties: false };
  }

  #inherit(name, found, { properties, required }) {
    const known = found.imported.get(name);
    if (name === 'TypeMeta') Object.assign(properties, { apiVersion: { type: 'string' }, kind: { type: 'string' } });
    else if (known === undefined) throw new Error(`${name}, which ${found.node.name.text} extends, is nowhere`);
    else {
      const before = this.#objectOf(this.#all.get(known));
      Object.assign(properties, before.properties);
      required.push(...(before.required ?? []));
    }
  }

  #typeOf(type, found) {
    switch (type.kind) {
      case ts.SyntaxKind.StringKeyword:
        return { type: 'string' };
      case ts.SyntaxKind.BooleanKeyword:
        return { type: 'boolean' };
      // In what we reach no number has a fraction.
      case ts.SyntaxKind.NumberKeyword:
        return { type: 'integer' };
      case ts.SyntaxKind.AnyKeyword:
      case ts.SyntaxKind.UnknownKeyword:
        return {};
      case ts.SyntaxKind.ObjectKeyword:
        return { type: 'object' };
    }
    if (ts.isParenthesizedTypeNode(type)) return this.#typeOf(type.type, found);
    if (ts.isArrayTypeNode(type)) return { type: 'array', items: this.#typeOf(type.elementType, found) };
    if (ts.isLiteralTypeNode(type)) return type.literal.text === undefined ? {} : { enum: [type.literal.text] };
    if (ts.isUnionTypeNode(type)) return this.#unionOf(type, found);
    if (ts.isTypeLiteralNode(type)) return this.#literalOf(type, found);
    if (ts.isTypeReferenceNode(type)) return this.#namedOf(type, found);
    throw new Error(`${type.getText(found.source)} is not understood`);
  }

  #unionOf(type, found) {
    const all = type.types.map((one) => this.#typeOf(one, found));
    const values = all.flatMap((one) => one.enum ?? []);
    return values.length === all.length ? { enum: values } : { anyOf: all };
  }

  #literalOf(type, found) {
    const index = type.members.find(ts.isIndexSignatureDeclaration);
    if (index === undefined) return this.#objectOf({ ...found, node: type });
    return { type: 'object', additionalProperties: this.#typeOf(index.type, found) };
  }

  #namedOf(type, found) {
    const name = type.typeName.getText(found.source);
    if (name === 'Array') return { type: 'array', items: this.#typeOf(type.typeArguments[0], found) };
    if (PLAIN[name] !== undefined) return PLAIN[name];
    const isForeign = found.imported.has(name) && found.imported.get(name) === undefined;
    // Their names have the whole path before them.
    if (isForeign) return Object.entries(PLAIN).find(([end]) => name.endsWith(end))?.[1] ?? { type: 'object' };
    return this.take(found.imported.get(name) ?? `${found.group}${name}`);
  }
}

function schemaOf({ package: name, version, below, of, kinds, grouped = false }, scratch) {
  const spec = `${name}@${version}`;
  const [{ filename }] = JSON.parse(execFileSync('npm', ['pack', '--json', spec], { cwd: scratch, encoding: 'utf8' }));
  const home = mkdtempSync(path.join(scratch, 'package-'));
  execFileSync('tar', ['xzf', path.join(scratch, filename), '-C', home]);
  const { license } = JSON.parse(readFileSync(path.join(home, 'package/package.json'), 'utf8'));
  const taker = new Taker(declarationsIn(path.join(home, 'package', below), grouped));
  const taken = Object.fromEntries(kinds.map((kind) => [kind, taker.take(of(kind))]));
  const definitions = Object.fromEntries(Object.entries(taker.definitions).toSorted());
  return { source: spec, license, kinds: taken, definitions };
}

const scratch = mkdtempSync(path.join(os.tmpdir(), 'berth-schemas-'));
try {
  for (const [name, source] of Object.entries(SOURCES)) {
    const schema = schemaOf(source, scratch);
    const lines = Object.entries(schema.definitions).map(
      ([key, one]) => `    ${JSON.stringify(key)}: ${JSON.stringify(one)}`,
    );
    const { definitions: _, ...head } = schema;
    const text = `${JSON.stringify(head, null, 2).slice(0, -2)},\n  "definitions": {\n${lines.join(',\n')}\n  }\n}\n`;
    writeFileSync(path.join('test/schemas', `${name}.json`), text);
    process.stdout.write(`${name}: ${lines.length} definitions, ${text.length} bytes\n`);
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
