/** A volume's whole life by rbd-nbd. */
import { lifecycle } from './inside/lifecycle.js';

lifecycle('nbd');
