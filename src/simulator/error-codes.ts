/** What the simulator says in `ErrorInfo`, in its own words. Never a part of the query. */
const errorInfos: ReadonlyMap<number, string> = new Map([
  [60002, 'the URL must be POST /v4/SERVICE/COMMAND'],
  [60003, 'the body must be JSON'],
  [60006, 'sdkappid must be a positive integer'],
  [60007, 'this REST API is called over its frequency limit'],
  [60009, 'no such service or command here'],
  [60010, 'the identifier must be an app administrator'],
  [60012, 'sdkappid is missing'],
  [60025, 'a URL parameter is missing, repeated or wrong'],
  [70001, 'the UserSig has expired'],
  [70002, 'the UserSig is empty'],
  [70003, 'the UserSig is illegal'],
  [70005, 'the UserSig is truncated'],
  [70009, 'the UserSig was made with another key'],
  [70013, 'the UserSig was made for another identifier'],
  [70014, 'the UserSig was made for another SDKAppID'],
  [70020, 'no such SDKAppID'],
  [70052, 'the UserSig was made invalid'],
  [100001, 'internal error, try again'],
  [100002, 'invalid parameter'],
  [100004, 'the room does not exist'],
  [100006, 'no permission'],
]);

export function errorInfoOf(code: number): string {
  return errorInfos.get(code) ?? `simulated error ${code}`;
}
