/** What signs the requests of one app. */
export interface Credentials {
  sdkAppId: number;
  /** Never shown, logged or stored. */
  secretKey: string;
  /** An app admin account. */
  adminIdentifier: string;
}
