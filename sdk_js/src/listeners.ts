import { quietly } from './storage';

type Listener = (...details: any[]) => any;

const listeners = new Set<[kind: string, listener: Listener]>();
let debugging = false;

export const debug = (on: boolean) => {
  debugging = on;
};

/** Returns the cleanup. */
export const on = (kind: string, listener: Listener) => {
  const entry: [string, Listener] = [kind, listener];
  listeners.add(entry);
  return () => {
    listeners.delete(entry);
  };
};

/** What a listener throws is its own. Of kind `use`, each gets what the one before returned, until one returns null. */
export const fire = <Subject>(kind: string, subject: Subject, reason?: unknown): Subject => {
  if (debugging) console.log(kind, subject, reason);
  listeners.forEach(([wanted, listener]) => {
    if (wanted !== kind || !subject) return;
    const next = quietly(() => listener(subject, reason));
    if (kind === 'use' && next !== undefined) subject = next;
  });
  return subject;
};
