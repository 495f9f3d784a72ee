// Preloaded into a program with --import: it can reach every server but the one on BLOCKED_PORT.
import net from 'node:net';

const blocked = Number(process.env.BLOCKED_PORT);
const connect = net.Socket.prototype.connect;

net.Socket.prototype.connect = function (...args) {
  const [options] = Array.isArray(args[0]) ? args[0] : args;
  if (Number(options?.port) !== blocked) return connect.apply(this, args);
  const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  process.nextTick(() => this.destroy(refused));
  return this;
};
