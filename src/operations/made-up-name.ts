/** Names for batches that were given none: easier to say and to type than an id. */

const adjectives = (
  'amber bold brave brisk bright calm clear cool crisp dark deep eager early fair fast fine firm ' +
  'free fresh gentle glad golden grand green happy keen kind late light lively lucky mellow mild ' +
  'misty neat noble pale plain proud quick quiet rapid ready rosy round safe sharp silent silver ' +
  'slow smart soft solid steady still sunny swift tidy warm wide wise young'
).split(' ');

const nouns = (
  'ant badger bear beaver bee bison crane crow deer dove duck eagle eel egret elk falcon finch fox ' +
  'frog gecko goat goose hare hawk heron horse ibis jay koala lark lion lynx magpie mole moose moth ' +
  'newt otter owl panda pike pony puffin quail rabbit raven robin salmon seal shark shrew snail ' +
  'sparrow squid stork swan tiger toad trout turtle viper whale wolf wren yak'
).split(' ');

/** @param random - 0 ≤ value < 1. */
export function madeUpName(random: () => number): string {
  const pick = (words: readonly string[]) => words[Math.floor(random() * words.length)] ?? 'batch';
  return `${pick(adjectives)}-${pick(nouns)}-${10 + Math.floor(random() * 90)}`;
}
