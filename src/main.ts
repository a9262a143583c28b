#!/usr/bin/env node
/** The program that ships. */
import { NO_ADDITIONS } from './wiring/additions.js';
import { runProgram } from './wiring/run-program.js';

await runProgram(process.argv.slice(2), NO_ADDITIONS);
