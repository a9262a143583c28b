// ESLint rule: a statement that only makes an error is refused, for it looks like a throw and does nothing.

/** Is every value of this type an Error? */
const isError = (type) => {
  if (type.isUnion()) return type.types.every(isError);
  if (type.isIntersection()) return type.types.some(isError);
  if (type.symbol?.name === 'Error') return true;
  return (type.isClassOrInterface() ? type.getBaseTypes() : [])?.some(isError) ?? false;
};

/** @type {import('eslint').Rule.RuleModule} */
export const unusedError = {
  meta: {
    type: 'problem',
    messages: { unused: 'This makes an error and does nothing with it: throw it or return it.' },
    schema: [],
  },
  create(context) {
    const services = context.sourceCode.parserServices;
    return {
      ExpressionStatement({ expression }) {
        const made = expression.type === 'AwaitExpression' ? expression.argument : expression;
        if (made.type !== 'CallExpression' && made.type !== 'NewExpression') return;
        if (isError(services.getTypeAtLocation(expression))) context.report({ node: expression, messageId: 'unused' });
      },
    };
  },
};
