// A vitest reporter: writes which files failed to the file that BERTH_TEST_REPORT names, for tools/rerun-failed.js.
import { writeFileSync } from 'node:fs';
import path from 'node:path';

const passed = new Set(['passed', 'skipped']);

export default class FailedFilesReporter {
  /**
   * @param {readonly import('vitest/node').TestModule[]} modules files that ran, were to run, or could not be loaded
   * @param {readonly unknown[]} errors of the run itself, which belong to no test
   * @param {'passed' | 'failed' | 'interrupted'} reason
   */
  onTestRunEnd(modules, errors, reason) {
    const failed = modules
      .filter((module) => !passed.has(module.state()))
      .map(({ project, moduleId }) => ({ project: project.name, file: path.relative(process.cwd(), moduleId) }));
    const report = { complete: reason !== 'interrupted' && errors.length === 0 && modules.length > 0, failed };
    writeFileSync(process.env.BERTH_TEST_REPORT, `${JSON.stringify(report)}\n`);
  }
}
