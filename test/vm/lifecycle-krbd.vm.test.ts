/** A volume's whole life by the kernel client. */
import { lifecycle } from './inside/lifecycle.js';

lifecycle('krbd');
