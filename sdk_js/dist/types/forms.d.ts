import type { Tropa } from './types.js';
/** `Form Submitted` with the form's id, name and address, never with what was typed. Returns the cleanup. */
export declare const enableForms: (tropa: Pick<Tropa, 'track'>) => (() => void);
