/** Branded ids: plain numbers at run time, distinct types to the compiler. All are below 2^53. */
declare const brand: unique symbol;
type Branded<Name extends string> = number & { readonly [brand]: Name };

/** The stable number of an item in its project's mirror. 1 is the project's root folder. Never reused. */
export type Inode = Branded<'Inode'>;
/** `st_ino`: the stable number of an item on a mount; on a mount of one project, its inode. 1 is the mount's root. */
export type FileNumber = Branded<'FileNumber'>;
/** The kernel's id of one item at one content version (FUSE calls it "nodeid"). 1 is the mount's root. */
export type NodeId = Branded<'NodeId'>;
/** A file's or folder's id at the server; both share one id space. */
export type RemoteId = Branded<'RemoteId'>;
/** A file version's id at the server. */
export type VersionId = Branded<'VersionId'>;
export type ProjectId = Branded<'ProjectId'>;
export type CompanyId = Branded<'CompanyId'>;

export const asInode = (n: number): Inode => n as Inode;
export const asFileNumber = (n: number): FileNumber => n as FileNumber;
export const asNodeId = (n: number): NodeId => n as NodeId;
export const asRemoteId = (n: number): RemoteId => n as RemoteId;
export const asVersionId = (n: number): VersionId => n as VersionId;
export const asProjectId = (n: number): ProjectId => n as ProjectId;
export const asCompanyId = (n: number): CompanyId => n as CompanyId;

export const ROOT_INODE = 1 as Inode;
export const ROOT_NODE = 1 as NodeId;
export const ROOT_NUMBER = 1 as FileNumber;
