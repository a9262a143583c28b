/** run() by children that are started for the command. */
import { execContract } from './exec.contract.js';

execContract();
