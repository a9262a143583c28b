// Stands for a program that is not here: has the test do what it was called for, with its arguments, directory and
// standard input, and ends as the test says. relay.js SOCKET PROGRAM ARGUMENT...
import { readFileSync } from 'node:fs';
import http from 'node:http';

const [socketPath, program, ...args] = process.argv.slice(2);
// Only a command that reads a manifest from `-` is given one.
const input = args.includes('-') ? readFileSync(0, 'utf8') : '';
const request = http.request({ socketPath, method: 'POST', path: '/' }, (response) => {
  const chunks = [];
  response.on('data', (chunk) => chunks.push(chunk));
  response.on('end', () => {
    const { code, stdout, stderr } = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    process.stdout.write(stdout);
    process.stderr.write(stderr);
    process.exitCode = code;
  });
});
request.end(JSON.stringify({ program, args, directory: process.cwd(), input }));
