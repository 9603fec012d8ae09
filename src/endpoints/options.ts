/** An option of a connection, for users of the HTTP API. */
export interface TargetOption {
  /** Its value is stored with the secrets. */
  readonly secret?: true;
  /** It determines the server or account: with another value, saved secrets would be sent elsewhere. */
  readonly where?: true;
  /** Why a value is refused; undefined: it is valid. */
  check?(value: string): string | undefined;
}

type Options = Readonly<Record<string, TargetOption>>;

const PLAIN: TargetOption = {};
const SECRET: TargetOption = { secret: true };
const WHERE: TargetOption = { where: true };
const PORT: TargetOption = { where: true, check: (value) => (/^\d{1,5}$/.test(value) ? undefined : 'it is no port') };

/** Token addresses of a service account's key that are accepted: Google's libraries send signed requests there. */
const GOOGLE = ['https://oauth2.googleapis.com/', 'https://accounts.google.com/'];

/** Other types of Google credentials name files to read, programs to run and addresses to request (AIP-4117). */
const serviceAccount: TargetOption = {
  secret: true,
  check(value) {
    try {
      const key = JSON.parse(value) as Record<string, unknown>;
      const { type, token_uri: where = GOOGLE[0] } = key;
      // Go accepts `Token_URI` for token_uri as well, and takes the last one of duplicates.
      if (Object.keys(key).some((name) => !/^[a-z0-9_]+$/.test(name))) return 'it has keys that no such key has';
      if (type !== 'service_account') return 'it is no key of a service account';
      if (typeof where !== 'string' || !GOOGLE.some((one) => where.startsWith(one)))
        return "its token_uri is not Google's";
      return undefined;
    } catch {
      return 'it is no JSON';
    }
  },
};

/** It becomes a part of the server's host name. */
const REGION: TargetOption = {
  where: true,
  check: (value) => (/^[a-z0-9_-]*$/i.test(value) ? undefined : 'it is no region'),
};

const ownApp: Options = { token: SECRET, client_id: PLAIN, client_secret: SECRET };
const smb: Options = { domain: WHERE, protection: PLAIN };
const onedrive: Options = { ...ownApp, drive_id: PLAIN, drive_type: PLAIN, region: PLAIN, expose_onenote_files: PLAIN };

/**
 * The options that users of the HTTP API may set, by platform. All others can only be set on the machine itself
 * (`procorefs connections add`): options that name programs, files of the machine, proxies, other addresses, or that
 * weaken the check of a server's identity. Their meaning: rclone's page of the storage; for `smb`, smbclient(1).
 */
export const OPTIONS: Readonly<Record<string, Options>> = {
  fs: {},
  nfs: smb,
  smb,
  rsync: { port: PORT },
  s3: {
    endpoint: WHERE,
    provider: WHERE,
    region: REGION,
    location_constraint: PLAIN,
    acl: PLAIN,
    storage_class: PLAIN,
    server_side_encryption: PLAIN,
    force_path_style: PLAIN,
    session_token: SECRET,
    v2_auth: PLAIN,
    no_check_bucket: PLAIN,
    list_version: PLAIN,
    encoding: PLAIN,
  },
  gcs: {
    ...ownApp,
    service_account_credentials: serviceAccount,
    project_number: PLAIN,
    bucket_acl: PLAIN,
    object_acl: PLAIN,
    bucket_policy_only: PLAIN,
    location: PLAIN,
    storage_class: PLAIN,
  },
  azureblob: { endpoint: WHERE, sas_url: { secret: true, where: true }, access_tier: PLAIN },
  b2: { hard_delete: PLAIN },
  onedrive,
  sharepoint: onedrive,
  drive: {
    ...ownApp,
    service_account_credentials: serviceAccount,
    scope: PLAIN,
    team_drive: PLAIN,
    root_folder_id: PLAIN,
    shared_with_me: PLAIN,
    impersonate: WHERE,
  },
  dropbox: { ...ownApp, impersonate: WHERE, shared_folders: PLAIN, root_namespace: PLAIN },
  box: { ...ownApp, access_token: SECRET, root_folder_id: PLAIN, impersonate: WHERE },
  webdav: { vendor: PLAIN, bearer_token: SECRET, nextcloud_chunk_size: PLAIN, encoding: PLAIN },
  sftp: {
    port: PORT,
    key_pem: SECRET,
    key_file_pass: SECRET,
    disable_hashcheck: PLAIN,
    shell_type: PLAIN,
    path_override: PLAIN,
    set_modtime: PLAIN,
  },
  ftp: { port: PORT, tls: PLAIN, explicit_tls: PLAIN, disable_mlsd: PLAIN, encoding: PLAIN },
};
