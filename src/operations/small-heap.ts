/**
 * Keeps the heap small while a long list is put on the queue, or taken off it.
 *
 * What is under way outlives the young collections, so the garbage collects in the old part
 * of the heap, which V8 lets grow to twice and more of what is alive: 220 MB where 160 do.
 * A full collection costs some 50 ms and is due about once in 20,000 rooms, which is two
 * or three per cent of the time they take.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** About twice what is alive while rooms are added, in bytes. */
const collectAboveBytes = 60 * 2 ** 20;

/** @returns a function to be called often: it looks, and collects where that is worth it. */
export function createHeapKeeper(aboveBytes = collectAboveBytes): () => void {
  // The collector is given to contexts that are made while the flag is set.
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  return () => {
    if (getHeapStatistics().used_heap_size > aboveBytes) collect();
  };
}
